"""libjpeg-turbo alone on the photographs: every file decoded in full to RGB, on two threads.

No part is chosen, nothing resized, flipped or batched, and the files are in memory: what a
pipeline that decodes whole images can at best reach. SOURCE is a folder of class folders.
"""

import concurrent.futures
import time

import measure
import simplejpeg

if __name__ == "__main__":
    asked = measure.asked()
    encoded = [path.read_bytes() for path in sorted(asked.source.glob("*/*"))]

    def decode(number: int) -> None:
        """Decode one of the files."""
        simplejpeg.decode_jpeg(encoded[number % len(encoded)], "RGB")

    with concurrent.futures.ThreadPoolExecutor(measure.WORKERS) as pool:
        list(pool.map(decode, range(asked.warm_up)))
        started = time.perf_counter()
        list(pool.map(decode, range(asked.images)))
        seconds = time.perf_counter() - started
    measure.write(asked.output, {"images/s": asked.images / seconds})
