"""Start the emulator: `python -m sandbox.advance_api --port 8080`. It prints its URL."""

import argparse
import logging
import signal
import sys

from PIL import Image

from sandbox.advance_api import environment, likeness
from sandbox.advance_api.server import serve
from sandbox.advance_api.sight import Recogniser
from sandbox.advance_api.state import Customer


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m sandbox.advance_api", description=__doc__)
    parser.add_argument("--port", type=int, default=8080, help="0 takes a free one (default: %(default)s)")
    parser.add_argument("--access-key", default="sampleaccesskey", help="default: %(default)s")
    parser.add_argument("--secret-key", default="samplesecretkey", help="default: %(default)s")
    parser.add_argument("--verbose", action="store_true", help="log every request")
    parser.add_argument(
        "--faces",
        action="store_true",
        help="recognise faces instead of measuring the likeness of pictures; installs what it needs at the first use. "
        "Not ADVANCE's algorithm: for development, never to decide about people",
    )
    options = parser.parse_args()
    recogniser = _faces() if options.faces else likeness

    logging.getLogger("werkzeug").setLevel(logging.INFO if options.verbose else logging.ERROR)
    Image.MAX_IMAGE_PIXELS = None  # IMAGE_INVALID_SIZE is decided from the header
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    signal.signal(signal.SIGINT, lambda *_: sys.exit())
    server = serve(options.port, Customer(options.access_key, options.secret_key), recogniser)
    print(f"http://127.0.0.1:{server.port}", flush=True)
    try:
        server.serve_forever()
    finally:
        server.server_close()


def _faces() -> Recogniser:
    try:
        environment.enter("sandbox.advance_api", sys.argv[1:])
    except environment.NotInstalled as error:
        sys.exit(str(error))
    from sandbox.advance_api.faces import Faces  # only that environment has dlib

    return Faces()


if __name__ == "__main__":
    main()
