# `make setup`, then `make fast` while you work and `make test` before you hand in.
PYTHON = .venv/bin/python

.PHONY: setup fast test lint

setup:
	python3 -m venv .venv && .venv/bin/pip install -r requirements-dev.txt

lint:
	.venv/bin/ruff check . && .venv/bin/ruff format --check . && .venv/bin/mypy && .venv/bin/lint-imports

# What needs neither TensorFlow, a browser nor a stored network: seconds, not minutes.
fast:
	.venv/bin/ruff check . && .venv/bin/lint-imports
	$(PYTHON) -m pytest -q -n 2 tests/test_labels.py tests/test_results.py tests/test_house_rules.py tests/test_docs.py \
	  tests/augmentation tests/datasets tests/logs tests/media/test_images.py tests/plots tests/vision/test_head_pose.py

# The README's own test command.
test:
	bash .ci/run
