"""The hard exit: the one safe answer to a state that nobody can be sure of."""

import os
import traceback
from collections.abc import Callable
from typing import NoReturn

from runtime.logs import logger

log = logger(__name__)
# EX_SOFTWARE of sysexits.h: restart me; nothing uncommitted was kept.
EXIT_CODE = 70
Die = Callable[[str], NoReturn]


def die(reason: str) -> NoReturn:
    """End this process at once, without a clean-up that could commit something.

    Guarantee: what was not committed is delivered again to the next owner.
    """
    log.critical("process_ends", reason=reason, traceback=traceback.format_exc())
    # Not sys.exit: finalizers and Faust's own shutdown would acknowledge or flush.
    os._exit(EXIT_CODE)
