"""The page on the architecture names the layers as they are."""

import configparser
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def test_the_page_lists_the_layers_of_the_import_contract_in_their_order() -> None:
    contract = configparser.ConfigParser()
    contract.read(ROOT / ".importlinter")
    layers = contract["importlinter:contract:layers"]["layers"].split("\n")[1:]
    table = (ROOT / "docs" / "architecture.md").read_text().partition("| layer |")[2].partition("\n\n")[0]
    rows = [line.split("|")[1] for line in table.splitlines()[2:]]
    assert [re.findall(r"`(\w+)`", row) for row in rows] == [re.findall(r"\w+", layer) for layer in layers]
