"""With which codes the server closes a WebSocket."""

from typing import NamedTuple


class CloseCode(NamedTuple):
    """``come_back``: the client should connect again with its cursor; else that would end the same way."""

    meaning: str
    come_back: bool


CLOSE_CODES: dict[int, CloseCode] = {
    4000: CloseCode("The server is stopping.", come_back=True),
    4001: CloseCode("The token has expired: come back with another.", come_back=True),
    4008: CloseCode("The client took nothing for too long.", come_back=True),
    4012: CloseCode("The client did not answer a ping.", come_back=True),
    4029: CloseCode(
        "The client went on sending commands, or wrong tokens, although it was told that they are too many; or its user"
        " opens too many connections in a time.",
        come_back=True,
    ),
    4400: CloseCode("The client sent too many frames that are not JSON objects.", come_back=False),
    4401: CloseCode("The token is missing, wrong or revoked, or no `hello` with one came in time.", come_back=False),
    4403: CloseCode("The client may not see the session any more, and follows no other.", come_back=False),
    4413: CloseCode("A frame was larger than the limit in `welcome`.", come_back=False),
    4430: CloseCode("The user has too many connections.", come_back=False),
}
