"""The system calls that a boxed program is refused, with their numbers on x86_64 and aarch64.

The rest is allowed up to `LAST_KNOWN`: what a newer kernel adds stays shut until somebody has looked at it.
"""

import errno
from collections.abc import Mapping
from dataclasses import dataclass, field

LAST_KNOWN = 462


@dataclass(frozen=True)
class Architecture:
    audit: int
    """As `seccomp_data.arch` has it."""
    column: int
    """Of `NUMBERS`."""


ARCHITECTURES: Mapping[str, Architecture] = {
    "x86_64": Architecture(0xC000003E, 0),
    "aarch64": Architecture(0xC00000B7, 1),
}

NUMBERS: Mapping[str, tuple[int | None, int | None]] = {
    "_sysctl": (156, None),
    "acct": (163, 89),
    "add_key": (248, 217),
    "bpf": (321, 280),
    "chmod": (90, None),
    "chown": (92, None),
    "chroot": (161, 51),
    "clock_settime": (227, 112),
    "clone": (56, 220),
    "clone3": (435, 435),
    "delete_module": (176, 106),
    "fanotify_init": (300, 262),
    "fchmodat": (268, 53),
    "fchmodat2": (452, 452),
    "fchownat": (260, 54),
    "finit_module": (313, 273),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fsopen": (430, 430),
    "fspick": (433, 433),
    "init_module": (175, 105),
    "io_uring_enter": (426, 426),
    "io_uring_register": (427, 427),
    "io_uring_setup": (425, 425),
    "ioctl": (16, 29),
    "ioperm": (173, None),
    "iopl": (172, None),
    "ioprio_set": (251, 30),
    "kcmp": (312, 272),
    "kexec_file_load": (320, 294),
    "kexec_load": (246, 104),
    "keyctl": (250, 219),
    "lchown": (94, None),
    "listmount": (458, 458),
    "lookup_dcookie": (212, 18),
    "lsetxattr": (189, 6),
    "lremovexattr": (198, 15),
    "lsm_set_self_attr": (460, 460),
    "memfd_create": (319, 279),
    "memfd_secret": (447, 447),
    "migrate_pages": (256, 238),
    "modify_ldt": (154, None),
    "mount": (165, 40),
    "mount_setattr": (442, 442),
    "move_mount": (429, 429),
    "move_pages": (279, 239),
    "mq_open": (240, 180),
    "msgget": (68, 186),
    "name_to_handle_at": (303, 264),
    "open_by_handle_at": (304, 265),
    "open_tree": (428, 428),
    "perf_event_open": (298, 241),
    "personality": (135, 92),
    "pidfd_getfd": (438, 438),
    "pivot_root": (155, 41),
    "prlimit64": (302, 261),
    "process_madvise": (440, 440),
    "process_vm_readv": (310, 270),
    "process_vm_writev": (311, 271),
    "ptrace": (101, 117),
    "quotactl": (179, 60),
    "quotactl_fd": (443, 443),
    "reboot": (169, 142),
    "removexattr": (197, 14),
    "request_key": (249, 218),
    "sched_setaffinity": (203, 122),
    "sched_setattr": (314, 274),
    "sched_setparam": (142, 118),
    "sched_setscheduler": (144, 119),
    "semget": (64, 190),
    "setdomainname": (171, 162),
    "sethostname": (170, 161),
    "setns": (308, 268),
    "setpgid": (109, 154),
    "setpriority": (141, 140),
    "setsid": (112, 157),
    "settimeofday": (164, 170),
    "setxattr": (188, 5),
    "shmget": (29, 194),
    "socket": (41, 198),
    "statmount": (457, 457),
    "swapoff": (168, 225),
    "swapon": (167, 224),
    "syslog": (103, 116),
    "umount2": (166, 39),
    "unshare": (272, 97),
    "uselib": (134, None),
    "userfaultfd": (323, 282),
    "vhangup": (153, 58),
}

# These have a substitute that programs fall back on when the kernel does not know them.
_ABSENT = (
    "clone3",
    "fsopen",
    "io_uring_enter",
    "io_uring_register",
    "io_uring_setup",
    "listmount",
    "memfd_create",
    "memfd_secret",
    "open_tree",
    "statmount",
    "userfaultfd",
)
_ASKED_FOR_BY_ARGUMENT = ("clone", "ioctl", "personality", "shmget", "socket")
_ONLY_WITHOUT_NAMESPACES = (
    "chmod",
    "chown",
    "fchmodat",
    "fchmodat2",
    "fchownat",
    "ioprio_set",
    "lchown",
    "lremovexattr",
    "lsetxattr",
    "mq_open",
    "msgget",
    "prlimit64",
    "removexattr",
    "sched_setaffinity",
    "sched_setattr",
    "sched_setparam",
    "sched_setscheduler",
    "semget",
    "setpgid",
    "setpriority",
    "setsid",
    "setxattr",
)


@dataclass(frozen=True)
class Refusals:
    """``always``: the call with its errno. ``others``: the argument that must be 0, for "myself"."""

    always: Mapping[str, int]
    others: Mapping[str, int] = field(default_factory=dict)


IN_NAMESPACES = Refusals(
    {
        name: errno.ENOSYS if name in _ABSENT else errno.EPERM
        for name in NUMBERS
        if name not in (*_ASKED_FOR_BY_ARGUMENT, *_ONLY_WITHOUT_NAMESPACES)
    }
)
"""What is refused where namespaces already hide processes, network and files."""

_SHARED = Refusals(
    {
        **IN_NAMESPACES.always,
        **dict.fromkeys(("setsid", "setpgid", "socket", "shmget", "msgget", "semget", "mq_open"), errno.EPERM),
    },
    {
        "prlimit64": 0,
        "sched_setaffinity": 0,
        "sched_setattr": 0,
        "sched_setparam": 0,
        "sched_setscheduler": 0,
        "setpriority": 1,
        "ioprio_set": 1,
    },
)

WITHOUT_NAMESPACES = _SHARED
"""Everything is shared with the host: no sockets, no own sessions (all is killed by its process group), no IPC."""

WITHOUT_NAMESPACES_AS_SERVER = Refusals(
    {
        **_SHARED.always,
        **dict.fromkeys(
            (
                *("chmod", "fchmodat", "fchmodat2", "chown", "lchown", "fchownat"),
                *("setxattr", "lsetxattr", "removexattr", "lremovexattr"),
            ),
            errno.EPERM,
        ),
    },
    _SHARED.others,
)
"""The box has the server's own user, and Landlock does not guard the modes and owners of the user's other files."""
