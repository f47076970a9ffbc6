"""What libtiff says of an image, told to who decodes it in place of standard error.

    with libtiff.messages() as said:
        image.load()
    said                        # ["Fax4Decode: Bad code word at line 10 of strip 0 (x 27)."]

Pillow leaves libtiff's messages as they come: lines on the terminal that name no file, whichever
worker they are of. libtiff tells its handlers in the thread that decodes, so each image has its
own. Where Pillow was built otherwise and libtiff is not found, it writes as ever.
"""

import contextlib
import ctypes
import threading
from collections.abc import Iterator

from PIL import _imaging

_LONGEST = 500  # bytes of a message
_MOST = 20  # messages of an image

_LIBC = ctypes.CDLL(None)
_local = threading.local()


@contextlib.contextmanager
def messages() -> Iterator[list[str]]:
    """Collect what libtiff says in this thread meanwhile, errors and warnings, in one list."""
    _local.said = []
    try:
        yield _local.said
    finally:
        _local.said = None


# void handler(const char* module, const char* format, va_list arguments); a va_list is passed as a
# pointer on all 64-bit systems that Linux and macOS run on.
@ctypes.CFUNCTYPE(None, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p)
def _handler(module: bytes | None, message: bytes, arguments: int) -> None:
    said = getattr(_local, "said", None)
    if said is None or len(said) >= _MOST:
        return
    text = ctypes.create_string_buffer(_LONGEST)
    _LIBC.vsnprintf(text, ctypes.c_size_t(_LONGEST), message, ctypes.c_void_p(arguments))
    said.append(
        f"{(module or b'').decode(errors='replace')}: {text.value.decode(errors='replace')}"
    )


def _install() -> None:
    with contextlib.suppress(OSError, AttributeError), open("/proc/self/maps") as maps:
        path = next((line.split()[-1] for line in maps if "/libtiff" in line), _imaging.__file__)
        library = ctypes.CDLL(path)
        library.TIFFSetErrorHandler(_handler)
        library.TIFFSetWarningHandler(_handler)


_install()
