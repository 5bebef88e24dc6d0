"""Uploads to the real server: what is slow or too large harms nobody else."""

from __future__ import annotations

import contextlib
import http.client
import socket
import threading
from pathlib import Path

import pytest

from sessions.models import File
from sessions.tests.factories import bearer
from sessions.tests.files.test_hostile_files import endless_pdf
from sessions.tests.support.server_process import ServerProcess

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("nobody_runs")]

HEAD = b'--xyz\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n'


def post(server: ServerProcess, content: bytes) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=120)
    headers = {"Authorization": server.authorization, "Content-Type": "multipart/form-data; boundary=xyz"}
    connection.request("POST", "/api/v1/files", HEAD + content + b"\r\n--xyz--\r\n", headers)
    answer = connection.getresponse()
    return answer.status, answer.read()


def test_other_requests_are_answered_while_files_are_converted(alice, tmp_path: Path) -> None:
    with ServerProcess(tmp_path, bearer(alice), PANTHEON_DATA_DIR=str(tmp_path)) as server:
        answers: list[tuple[int, bytes]] = []
        endless = endless_pdf()

        def send() -> None:
            with contextlib.suppress(ConnectionError):  # the server stops while some are converted
                answers.append(post(server, endless))

        uploads = [threading.Thread(target=send) for _ in range(5)]
        for thread in uploads:
            thread.start()
        answered = 0
        while any(thread.is_alive() for thread in uploads):
            assert server.get("models")[0] == 200
            answered += 1
            uploads[0].join(0.5)
            if answered == 10:
                break
        assert answered == 10 or answers
        assert all(status in (422, 429) for status, _ in answers)
    for thread in uploads:
        thread.join()
    assert not File.objects.exists()


def test_a_body_above_the_limit_is_not_read(alice, tmp_path: Path) -> None:
    with ServerProcess(
        tmp_path, bearer(alice), PANTHEON_DATA_DIR=str(tmp_path), PANTHEON_FILE_MAX_MIB="1"
    ) as server:
        assert post(server, b"a" * 1024 * 1024)[0] == 201
        assert post(server, b"a" * (1024 * 1024 + 1))[0] == 413
        announced = (
            f"POST /api/v1/files HTTP/1.1\r\nHost: localhost\r\nAuthorization: {server.authorization}\r\n"
            "Content-Type: multipart/form-data; boundary=xyz\r\nContent-Length: 999999999\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            connection.sendall(announced.encode())
            assert b" 413 " in connection.recv(100)


def test_a_body_without_an_end_is_given_up(alice, tmp_path: Path) -> None:
    with ServerProcess(
        tmp_path, bearer(alice), PANTHEON_DATA_DIR=str(tmp_path), PANTHEON_SLOW_REQUEST_S="1"
    ) as server:
        announced = (
            f"POST /api/v1/files HTTP/1.1\r\nHost: localhost\r\nAuthorization: {server.authorization}\r\n"
            "Content-Type: multipart/form-data; boundary=xyz\r\nContent-Length: 99999\r\n\r\n"
        )
        with socket.create_connection(("127.0.0.1", server.port), timeout=30) as connection:
            connection.sendall(announced.encode() + HEAD)
            assert b" 408 " in connection.recv(100)
    assert not File.objects.exists()
