"""`bayeslaw remote` against a real server."""

import json

import pytest
from tests.client.running_service import ROOT, running_service

DEMO = ROOT / "search" / "demo.yaml"


@pytest.fixture(scope="module")
def service():
    return running_service()


@pytest.fixture
def remote(bayeslaw, service, monkeypatch, tmp_path):
    """Call `bayeslaw remote` as JSON: returns (exit code, what it printed, parsed)."""
    monkeypatch.delenv("BAYESLAW_TOKEN", raising=False)
    token = tmp_path / "token"
    token.write_text(service.admin_token + "\n")

    def call(*words):
        code, out, _ = bayeslaw(
            "remote", *words, "--url", service.url, "--token-file", token, "--json"
        )
        return code, json.loads(out)

    return call


def test_a_study_goes_by_commands_from_its_file_to_a_result(remote, service, tmp_path):
    text = DEMO.read_text().replace("name: demo", "name: by-command")
    (tmp_path / "study.yaml").write_text(text)
    code, told = remote("validate", tmp_path / "study.yaml")
    assert code == 0 and told["is_valid"] and told["examples"]
    assert remote("create", tmp_path / "study.yaml")[0] == 0
    assert "by-command" in [study["study_id"] for study in remote("studies")[1]]
    service.client.study("by-command").add_runs(
        [{"run_id": f"r{i}", "architecture": told["examples"][0], "n_tokens": i} for i in (1, 2)]
    )
    code, told = remote("suggest", "by-command", "--worker", "w", "--count", "2")
    assert code == 0 and [run["run_id"] for run in told["runs"]] == ["r1", "r2"]
    told = remote(
        "complete", "by-command", "r1", "--loss-nats", "2", "--cost-gpu-hours", "1", "-w", "w"
    )[1]
    assert told["outcome"] == "accepted"
    assert remote("fail", "by-command", "r2", "diverged")[1]["run"]["status"] == "failed"
    assert [run["run_id"] for run in remote("runs", "by-command", "--status", "done")[1]] == ["r1"]
    assert remote("status", "by-command")[1]["runs"]["failed"] == 1
    kinds = [event["kind"] for event in remote("events", "by-command", "--kind", "run_done")[1]]
    assert kinds == ["run_done"]
    code, told = remote("complete", "by-command", "r9", "--loss-nats", "2", "--cost-gpu-hours", "1")
    assert (code, told["error"]["type"]) == (3, "NotFoundError")
    code, told = remote("suggest", "by-command", "-w", "w", "--count", "101")
    assert (code, told["error"]["type"]) == (2, "InvalidInputError")


def test_people_get_tables(bayeslaw, service):
    study = service.study(n_planned=2)
    study.suggest("w1")
    for command, words in {
        ("studies",): [study.study_id, "active"],
        ("status", study.study_id): ["leased", "device-hours spent"],
        ("runs", study.study_id): ["r1", "w1", "L2 d64 h4/4x16 ff160"],
        ("suggest", study.study_id, "-w", "w2"): ["leased by w2", "r2"],
        ("complete", study.study_id, "r2", "--loss-nats", "2", "--cost-gpu-hours", "1"): ["done"],
        ("fail", study.study_id, "r1", "lost", "--abandon"): ["run r1 is abandoned"],
        ("plan", study.study_id): ["plan of"],
        ("diagnostics", study.study_id): ["the planner"],
        ("events", study.study_id, "--since", "0"): ["run_leased", "worker_id w1"],
    }.items():
        code, out, err = bayeslaw("remote", *command, "--home", service.home)
        assert code == 0, err
        for word in words:
            assert word in out


def test_wrong_files_and_servers_end_with_their_codes(bayeslaw, service, tmp_path, monkeypatch):
    monkeypatch.delenv("BAYESLAW_TOKEN", raising=False)
    (tmp_path / "none.yaml").write_text("name: nothing")
    code, out, err = bayeslaw("remote", "validate", tmp_path / "none.yaml", "--home", service.home)
    assert code == 2 and "is not a study" in err and not out
    code, _, err = bayeslaw("remote", "studies", "--url", service.url)
    assert code == 3 and "BAYESLAW_TOKEN" in err
    (tmp_path / "token").write_text("")
    code, _, err = bayeslaw("remote", "studies", "--token-file", tmp_path / "token")
    assert code == 2 and "is empty" in " ".join(err.split())
    code, _, err = bayeslaw("remote", "studies", "--home", tmp_path)
    assert code == 3 and "bayeslaw serve" in err


def test_no_option_takes_a_token(bayeslaw):
    for words in (("studies",), ("suggest",), ("create",)):
        _, out, _ = bayeslaw("remote", *words, "--help")
        assert "--token-file" in out and "--token " not in out
