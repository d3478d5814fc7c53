"""The switches and the exit codes: 0 good, 1 configuration refused, 2 usage, 3 cannot bind."""

import socket

import pytest

from harness import SOURCE, free_ports
from ringmaster import run_program, shipped


@pytest.fixture
def config(balancer):
    return balancer(start=False)


def test_check_of_a_good_configuration(config):
    check = run_program("-t", "-c", config.config)
    assert check.returncode == 0, check
    assert "error" not in (check.stdout + check.stderr).lower()


@pytest.mark.parametrize(
    "path", sorted(p.relative_to(SOURCE) for p in SOURCE.glob("conf/**/*.conf")), ids=str
)
def test_check_of_what_is_shipped(path):
    check = run_program("-t", "-c", SOURCE / path)
    assert check.returncode == 0, check


def test_check_of_a_bad_configuration(config):
    config.config.write_text('strategy = { scheduler = "scheduler_rign"; };\n')
    check = run_program("-t", "-c", config.config)
    assert check.returncode == 1
    assert f"{config.config}:1:" in check.stderr
    assert "did you mean" in check.stderr


def test_a_bad_configuration_does_not_start(config):
    config.config.write_text(config.config.read_text() + "\nnonsense = 1;\n")
    started = run_program("-c", config.config)
    assert started.returncode == 1
    assert "nonsense" in started.stderr


def test_a_plugin_that_does_not_exist_does_not_start(config):
    config.write({"strategy": {"hash": "hash_nowhere"}})
    for arguments in (("-t", "-c", config.config), ("-c", config.config)):
        refused = run_program(*arguments)
        assert refused.returncode == 1
        assert "hash_nowhere" in refused.stderr


def test_a_file_that_is_not_there(tmp_path):
    for arguments in (("-t", "-c", tmp_path / "none.conf"), ("-c", tmp_path / "none.conf")):
        refused = run_program(*arguments)
        assert refused.returncode == 1
        assert "none.conf" in refused.stderr


def test_numbers_that_would_wrap_are_refused(config):
    """libconfig reads 4294967296 without L as 0: that must not pass for a value."""
    text = config.config.read_text().replace("4294967296L", "4294967296")
    assert text != config.config.read_text()
    config.config.write_text(text)
    check = run_program("-t", "-c", config.config)
    assert check.returncode == 1
    assert "4294967296" in check.stderr


def test_dump_shows_what_is_in_force_and_can_be_read_again(config, tmp_path):
    dump = run_program("--dump", "-c", config.config)
    assert dump.returncode == 0, dump
    for text in (f"127.0.0.1:{config.port}", "hash_murmur", "scheduler_ring", "interval_ms", "control_from"):
        assert text in dump.stdout
    again = tmp_path / "again.conf"
    again.write_text(dump.stdout)
    assert run_program("-t", "-c", again).returncode == 0
    second = run_program("--dump", "-c", again)
    assert second.stdout == dump.stdout


def test_version():
    for switch in ("-V", "--version"):
        version = run_program(switch)
        assert version.returncode == 0
        assert version.stdout.startswith("ringmaster ")


def test_help():
    shown = run_program("--help")
    assert shown.returncode == 0
    for switch in ("-t", "-c", "-V", "--dump", "--help"):
        assert switch in shown.stdout


@pytest.mark.parametrize("arguments", [["--nonsense"], ["-x"], ["-c"], ["one-too-many"]])
def test_usage_is_2(arguments):
    refused = run_program(*arguments)
    assert refused.returncode == 2, refused
    assert refused.stderr


def test_a_taken_port_is_3(config):
    with socket.create_server(("127.0.0.1", config.port)):
        refused = run_program("-c", config.config)
    assert refused.returncode == 3, refused
    assert str(config.port) in refused.stderr
    config.check_nothing_left()


def test_a_taken_admin_port_is_3(config):
    with socket.create_server(("127.0.0.1", config.admin_port)):
        refused = run_program("-c", config.config, environment=config.environment())
    assert refused.returncode == 3, refused
    assert str(config.admin_port) in refused.stderr
    config.check_nothing_left()


def test_a_second_balancer_does_not_take_half_the_traffic(balancer):
    """SO_REUSEPORT alone would let it in silently."""
    mine = balancer()
    second = balancer({"admin": f"127.0.0.1:{free_ports()}"}, start=False)
    second.write({"listen": [f"127.0.0.1:{mine.port}"]})
    refused = run_program("-c", second.config, environment=second.environment())
    assert refused.returncode == 3, refused
    second.check_nothing_left()
    assert mine.ask().status == 200


def test_two_listeners(balancer):
    other = free_ports()
    mine = balancer(start=False)
    mine.write({"listen": [f"127.0.0.1:{mine.port}", f"127.0.0.1:{other}"]})
    mine.start()
    mine.port, first = other, mine.port
    assert mine.ask().status == 200
    mine.port = first
    assert mine.ask().status == 200


def test_taken_ports_for_replicas_are_skipped(balancer):
    mine = balancer(start=False)
    with socket.create_server(("127.0.0.1", mine.base_port)), socket.create_server(
        ("0.0.0.0", mine.base_port + 2)
    ):
        mine.start()
        ports = {int(row["address"].rsplit(":", 1)[1]) for row in mine.replicas().values()}
        assert len(ports) == 3 and not ports & {mine.base_port, mine.base_port + 2}
        assert min(ports) == mine.base_port + 1
        mine.stop()


def test_the_shipped_configuration_starts(balancer):
    mine = balancer(text=shipped("conf/lb.conf"))
    assert mine.rep() == ["Server 1", "Server 2", "Server 3"]
    assert mine.ask().status == 200
