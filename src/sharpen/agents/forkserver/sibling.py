"""Forking a process that is a child of one's own parent: ``clone(2)`` with CLONE_PARENT.

A fork and a second fork, whose first process ends, would do the same in twice the time: each copies the page
tables of everything that a fork server has loaded.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal

CLONE_PARENT = 0x00008000
CLONE_CHILD_CLEARTID = 0x00200000
CLONE_CHILD_SETTID = 0x01000000
PR_GET_TID_ADDRESS = 40
# the number of the system call, and the places of the thread id's address among its arguments
CLONE = {"x86_64": (56, 3), "aarch64": (220, 4)}


def fork_sibling() -> int:
    """Return 0 in a new process, and the new process's id in this one.

    As after ``os.fork()``, but the new process's parent is this one's parent, which is who can wait for it. C
    libraries' ``pthread_atfork`` functions are not called: this process must have one thread only.

    Raises:
        OSError: There are too many processes, or too little memory; or this machine's ``clone`` is unknown.
    """
    machine = platform.machine()
    if machine not in CLONE:
        raise OSError(f"how to clone a process on {machine} is not known")
    syscall, flags_at = CLONE[machine]
    arguments = [CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0]
    own_id = ctypes.c_void_p()
    libc = ctypes.PyDLL(None, use_errno=True)  # which keeps the interpreter's lock, as os.fork() does
    if libc.prctl(PR_GET_TID_ADDRESS, ctypes.byref(own_id)) == 0:  # where the C library keeps its thread's id
        arguments[0] |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID
        arguments[flags_at] = own_id.value or 0
    python = ctypes.pythonapi
    python.PyOS_BeforeFork()
    pid = libc.syscall(syscall, *(ctypes.c_ulong(argument) for argument in arguments))
    if pid == 0:
        python.PyOS_AfterFork_Child()
        return 0
    problem = ctypes.get_errno()
    python.PyOS_AfterFork_Parent()
    if pid < 0:
        raise OSError(problem, os.strerror(problem))
    return pid
