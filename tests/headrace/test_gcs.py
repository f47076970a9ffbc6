"""Objects of Cloud Storage as files are: the same content and the same errors."""

import http.server
import threading

import pytest

from headrace import files, gcs
from headrace.errors import UserError
from tests.conftest import download


def test_more_objects_than_one_request_removes_are_removed(bucket):
    for number in range(230):
        bucket.blob(f"data/.work/{number}").upload_from_string("x")
    bucket.blob("data/.work-not").upload_from_string("x")
    files.remove_tree(f"gs://{bucket.name}/data/.work")
    assert list(download(bucket, "data")) == [".work-not"]
    files.remove([f"gs://{bucket.name}/data/{name}" for name in ("gone", ".work-not")])
    assert download(bucket, "data") == {}


@pytest.mark.parametrize("content", [b"", b"0123456789"])
def test_parts_of_objects_are_those_of_files(bucket, tmp_path, content):
    for folder in (str(tmp_path), f"gs://{bucket.name}/a"):
        path = f"{folder}/x y#%.bin"
        files.write_atomic(path, content)
        assert files.exists(path)
        assert files.size(path) == len(content)
        assert files.read(path) == content
        assert files.read(path, 0, 0) == b""
        if content:
            assert files.read(path, 3) == content[3:]
            assert files.read(path, 3, 4) == content[3:7]
        files.replace(path, f"{folder}/new")
        assert not files.exists(path)
        assert files.size(path) == 0
        with files.open_read(f"{folder}/new") as file:
            assert file.read() == content
        for read in (files.read, files.open_read):
            with pytest.raises(FileNotFoundError):
                read(path)
        with files.open_write(f"{folder}/new") as file:
            file.write(b"over")
        assert files.read(f"{folder}/new") == b"over"


def write_by_file(path: str) -> None:
    with gcs.open_write(path) as file:
        file.write(b"content")


CALLS = {
    "read": lambda path: gcs.read(path, 0, -1),
    "open_read": gcs.open_read,
    "open_write": write_by_file,
    "size": gcs.size,
    "exists": gcs.exists,
    "write": lambda path: gcs.write(path, b"content"),
    "rename": lambda path: gcs.rename(path, f"{path}-new"),
    "listing": gcs.listing,
    "sizes": gcs.sizes,
    "make_folder": gcs.make_folder,
    "remove": lambda path: gcs.remove([path]),
    "remove_tree": gcs.remove_tree,
}
EVERY_CALL = pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)


def test_a_folder_has_what_lies_directly_in_it(bucket):
    root = f"gs://{bucket.name}"
    for name in ("a/b.txt", "a/c/d.txt", "a/c/e/f.txt", "a/", "ab.txt", "a b/g.txt"):
        gcs.write(f"{root}/{name}", name.encode())
    for folder in (f"{root}/a", f"{root}/a/"):
        assert gcs.listing(folder) == (["c"], ["b.txt"])
        assert gcs.sizes(folder) == {"": 2, "b.txt": 7}
    folders, names = gcs.listing(root)
    assert (sorted(folders), names) == (["a", "a b"], ["ab.txt"])
    assert gcs.listing(f"{root}/none") == ([], [])


def test_an_empty_folder_shows_and_is_gone_with_what_is_in_it(bucket):
    root = f"gs://{bucket.name}"
    gcs.make_folder(f"{root}/runs/one")
    assert gcs.listing(f"{root}/runs") == (["one"], [])
    assert gcs.listing(f"{root}/runs/one") == ([], [])
    gcs.write(f"{root}/runs/one/deep/er", b"x")
    gcs.write(f"{root}/runs/one-more", b"x")
    gcs.remove_tree(f"{root}/runs/one")
    assert gcs.listing(f"{root}/runs") == ([], ["one-more"])


def test_neither_a_bucket_nor_a_folder_is_an_object(bucket):
    gcs.write(f"gs://{bucket.name}/a/b", b"content")
    for path in (f"gs://{bucket.name}", f"gs://{bucket.name}/", f"gs://{bucket.name}/a"):
        assert not gcs.exists(path)


def test_an_object_is_renamed_over_one_that_is_there(bucket):
    root = f"gs://{bucket.name}"
    gcs.write(f"{root}/old", b"content")
    gcs.write(f"{root}/new", b"what was there before")
    gcs.rename(f"{root}/old", f"{root}/new")
    assert {blob.name: blob.download_as_bytes() for blob in bucket.list_blobs()} == {
        "new": b"content"
    }


def test_a_file_is_read_in_any_order(bucket):
    path = f"gs://{bucket.name}/it"
    gcs.write(path, b"0123456789")
    with gcs.open_read(path) as file:
        assert file.read(3) == b"012"
        assert file.seek(-2, 2) == 8
        assert file.read() == b"89"
        assert file.seek(1) == 1
        assert file.read(2) == b"12"


def test_an_object_is_there_once_its_file_is_closed_and_not_if_that_was_left_by_an_error(bucket):
    path = f"gs://{bucket.name}/it"
    with gcs.open_write(path) as file:
        file.write(b"half")
        assert not gcs.exists(path)
        file.write(b" and half")
    assert gcs.read(path, 0, -1) == b"half and half"
    with pytest.raises(ZeroDivisionError), gcs.open_write(f"{path}-not") as file:
        file.write(b"half")
        _ = 1 / 0
    assert not gcs.exists(f"{path}-not")


@EVERY_CALL
def test_of_a_bucket_that_is_not_there_nothing_is_there(endpoint, call):
    if call in (gcs.size, gcs.exists, CALLS["remove"]):
        assert not call("gs://no-such-bucket/it")
        return
    with pytest.raises(FileNotFoundError, match="No such object or bucket") as caught:
        call("gs://no-such-bucket/it")
    assert caught.value.filename.rstrip("/") == "gs://no-such-bucket/it"


class Refusal(http.server.BaseHTTPRequestHandler):
    """Says no to every request, with the status of its server and a reason of two lines."""

    def refuse(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = b'{"error": {\n"message": "not with\\nthis account"}}'
        self.send_response(int(self.server.status))  # type: ignore[attr-defined]
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_DELETE = refuse  # noqa: N815  # so the server calls them

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def refusing(monkeypatch):
    """A server in place of Cloud Storage that refuses whatever it is asked."""
    with http.server.ThreadingHTTPServer(("localhost", 0), Refusal) as server:
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", f"http://localhost:{server.server_port}")
        gcs._client.cache_clear()
        yield server
        gcs._client.cache_clear()
        server.shutdown()


@EVERY_CALL
def test_what_one_may_not_do_is_an_error_as_of_a_local_file(refusing, call):
    refusing.status = 403
    with pytest.raises(PermissionError, match="not with") as caught:
        call("gs://bucket/it")
    assert caught.value.filename.rstrip("/") == "gs://bucket/it"
    assert "\n" not in str(caught.value)


@EVERY_CALL
def test_what_the_service_fails_at_is_one_line_that_names_the_path(refusing, call):
    refusing.status = 400
    with pytest.raises(UserError, match=r"^gs://bucket/it/?: Google Cloud Storage failed: 400 "):
        call("gs://bucket/it")


def test_a_file_that_was_opened_and_may_no_longer_be_read_says_so_too(bucket, refusing):
    refusing.status = 403
    for use in (lambda file: file.read(), lambda file: file.seek(0)):
        with pytest.raises(PermissionError, match="not with"):
            use(gcs._Reader("gs://bucket/it"))


def test_what_could_not_be_sent_is_not_sent_again(refusing):
    refusing.status = 403
    file = gcs.open_write("gs://bucket/it")
    file.write(b"content")
    with pytest.raises(PermissionError):
        file.close()
    refusing.status = 404
    file.close()
    assert file.closed


@EVERY_CALL
def test_without_credentials_it_is_said_how_to_get_some(call, monkeypatch, tmp_path):
    for name, value in {
        "STORAGE_EMULATOR_HOST": "",
        "GOOGLE_APPLICATION_CREDENTIALS": "",
        "GOOGLE_CLOUD_PROJECT": "mill",
        "CLOUDSDK_CONFIG": str(tmp_path),
        "NO_GCE_CHECK": "true",
    }.items():
        monkeypatch.setenv(name, value)
    gcs._client.cache_clear()
    with pytest.raises(UserError, match=r"^gs://bucket/it.*gcloud auth application-default login"):
        call("gs://bucket/it")
