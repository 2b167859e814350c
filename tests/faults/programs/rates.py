"""A learner that keeps checkpoints, and in them the rate of every step that led to where it is."""

import json
import time

from sharpen import tracking


def main():
    with tracking.init(config={"lr": 0.1, "budget": 1}) as run:
        rates = [] if run.checkpoint is None else json.loads(run.checkpoint.path.read_text())
        while len(rates) < run.config["budget"]:
            time.sleep(0.03)
            rates.append(run.config["lr"])
            run.log({"score": sum(1 - abs(rate - 0.3) for rate in rates)}, step=len(rates))
            (run.dir / "state").write_text(json.dumps(rates))
            run.save_checkpoint(run.dir / "state")
        run.summary["rates"] = rates


if __name__ == "__main__":
    main()
