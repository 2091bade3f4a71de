"""A configuration file of a coordinator or worker that is wrong is reported without secrets."""

from __future__ import annotations

from pathlib import Path

import pytest
from novacron_serving.coordinator.config import CoordinatorConfig
from novacron_serving.errors import StartError
from novacron_serving.server import read_config


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('{"database_url": "postgresql://u:hunter2@h/db",}', "file: Invalid JSON: trailing comma at line 1 column 48"),
        ('{"databse_url": "postgresql://u:hunter2@h/db"}', "databse_url: Extra inputs are not permitted"),
        (
            '{"cache": {"largest_answer_kib": 64}}',
            "cache: largest_answer_kib is now called max_response_kib; rename it",
        ),
        ('{"http_port": 70000}', "http_port: Input should be less than or equal to 65535 (got 70000)"),
    ],
    ids=["not JSON", "unknown field", "old name", "wrong value"],
)
def test_a_wrong_configuration_file_is_reported_without_secrets(tmp_path: Path, text: str, expected: str) -> None:
    path = tmp_path / "coordinator.json"
    path.write_text(text)
    with pytest.raises(StartError) as caught:
        read_config(["--config", str(path)], CoordinatorConfig)
    assert str(caught.value) == f"configuration {path}: {expected}"
