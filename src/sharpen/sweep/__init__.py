"""The sweep as a state machine: ``step(state, event) -> (state, commands)``.

Nothing here reads a clock, a file or a database. Events carry the time; commands say what the coordinator
is to write and what it is to answer, and it does both in one transaction, so that the state in memory and
the one on the disk never differ.

A run moves pending -> leased -> ended, and back to pending when its agent is lost. Each lease of it has a
*token* one larger than the last; words that carry an older token are refused, so an agent that was thought
dead cannot spoil the run that another one has since repeated.
"""

from sharpen.sweep.machine import held, step
from sharpen.sweep.state import Lease, Live, Rules, SweepState, SweepStatus

__all__ = ["Lease", "Live", "Rules", "SweepState", "SweepStatus", "held", "step"]
