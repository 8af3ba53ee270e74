"""What of the machine a boxed command may read: the system's programs and libraries, and the user's toolchains."""

from pathlib import Path

SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64")
ETC = tuple(
    f"/etc/{name}"
    for name in (
        "alternatives",
        "bash.bashrc",
        "ca-certificates",
        "ca-certificates.conf",
        "group",
        "host.conf",
        "hosts",
        "inputrc",
        "java",
        "ld.so.cache",
        "ld.so.conf",
        "ld.so.conf.d",
        "localtime",
        "magic",
        "mime.types",
        "nsswitch.conf",
        "passwd",
        "pki",
        "profile",
        "protocols",
        "python3",
        "resolv.conf",
        "services",
        "ssl/certs",
        "ssl/openssl.cnf",
        "terminfo",
        "timezone",
    )
)
TOOLCHAINS = (
    ".bun/bin",
    ".cargo/bin",
    ".deno/bin",
    ".fnm",
    ".local/bin",
    ".local/share/mise/installs",
    ".local/share/uv/python",
    ".nvm",
    ".pyenv",
    ".rbenv",
    ".rustup",
    ".sdkman/candidates",
    ".volta",
    "go/bin",
)
"""Below the user's home, where nothing else is readable. None of them holds keys."""


def find_toolchains(path_variable: str, user_home: Path) -> list[Path]:
    """Toolchains in the user's home, and for each entry of ``PATH`` elsewhere the tree that it stands in."""
    found = [place for name in TOOLCHAINS if (place := user_home / name).is_dir()]
    for word in path_variable.split(":"):
        entry = Path(word).resolve()
        top = entry.parent if entry.name in ("bin", "sbin") else entry
        private = user_home == top or user_home in top.parents or top in user_home.parents
        if word.startswith("/") and entry.is_dir() and not private and len(top.parts) > 2:
            found.append(top)
    return [place for place in found if not str(place).startswith(("/usr/", "/proc/", "/dev/", "/sys/"))]
