"""What Azure's runner does with the step, in a process of its own: init once, run for each mini-batch of standard input."""

from __future__ import annotations

import json
import sys

from cellar_drinkability.scoring import azure_step

if __name__ == "__main__":
    azure_step.init(sys.argv[1:])
    for line in sys.stdin:
        sys.stdout.write(json.dumps(azure_step.run(json.loads(line))) + "\n")
        sys.stdout.flush()
