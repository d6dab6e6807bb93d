"""Logs of runs, for `forecast`, that nobody in good faith would write."""
# ruff: noqa: E501 (a row is a line)

import json
import os

from hostile.harness import ESCAPE, Row

LOG = "step,loss\n" + "".join(f"{k},{2 + 10 / k}\n" for k in range(1, 40))
FORECAST = ("forecast", "log.csv", "--final-step", "99")


def log(name, text, *said, file="log.csv", codes=(1, 2), options=(), **more):
    """A log, and what may come of it; 1 where it is read and a forecast is compiled."""
    argv = ("forecast", file, "--final-step", "99", *options)
    return Row(f"a log with {name}", argv, {file: text}, said, codes, **more)


def with_loss(text, k=20):
    """The good log with another loss at a step."""
    return LOG.replace(f"\n{k},{2 + 10 / k}\n", f"\n{k},{text}\n")


def with_step(text, k=20):
    """The good log with another step."""
    return LOG.replace(f"\n{k},", f"\n{text},")


CELLS = ("", "x", "nan", "inf", "-inf", "1e400", "1e39", "1e308", "-1", "0", "1e-320", "9" * 400, "1_0", "0x1", "\u0662", '"\x1b[31m"')  # fmt: skip
ROWS = [
    *(log(f"{text[:9]!r} for a loss", with_loss(text), weird=True, codes=(0, 1, 2)) for text in CELLS),
    *(log(f"{text[:9]!r} for a step", with_step(text), weird=True, codes=(0, 1, 2)) for text in CELLS),
    log("nothing", "", codes=(2,)),
    log("a header alone", "step,loss\n", codes=(2,)),
    log("one step", "step,loss\n1,2\n", codes=(0, 1, 2)),
    log("losses of 0", "step,loss\n" + "".join(f"{k},0\n" for k in range(1, 40)), codes=(0, 1, 2)),
    log("losses of 1e300", "step,loss\n" + "".join(f"{k},1e300\n" for k in range(1, 40)), codes=(0, 1, 2)),
    log("losses of 1e38", "step,loss\n" + "".join(f"{k},1e38\n" for k in range(1, 40)), codes=(0, 1, 2)),
    log("losses of 1e-45", "step,loss\n" + "".join(f"{k},1e-45\n" for k in range(1, 40)), codes=(0, 1, 2)),
    log("negative losses", "step,loss\n" + "".join(f"{k},-{k}\n" for k in range(1, 40)), codes=(0, 1, 2)),
    log("NaN losses", "step,loss\n" + "".join(f"{k},nan\n" for k in range(1, 40)), codes=(2,), weird=True),
    log("a spike", with_loss("1e6"), codes=(0, 1, 2)),
    log("steps that fall", "step,loss\n" + "".join(f"{40 - k},{2 + 10 / k}\n" for k in range(1, 40)), codes=(0, 1, 2)),
    log("one step again and again", "step,loss\n" + "".join(f"5,{2 + 10 / k}\n" for k in range(1, 40)), codes=(0, 1, 2)),
    log("steps of 2^31", "step,loss\n" + "".join(f"{2**31 + k},{2 + 10 / k}\n" for k in range(1, 40)), codes=(2,)),
    log("steps of 1e300", "step,loss\n" + "".join(f"{k}e300,{2 + 10 / k}\n" for k in range(1, 40)), codes=(2,)),
    log("steps in between", "step,loss\n" + "".join(f"{k}.5,{2 + 10 / k}\n" for k in range(1, 40)), codes=(0, 1, 2)),
    log("a rate of NaN", LOG.replace("\n", ",nan\n").replace("nan", "lr", 1), codes=(0, 1, 2), weird=True),
    log("a rate of -1", LOG.replace("\n", ",-1\n").replace("-1", "lr", 1), codes=(0, 1, 2)),
    log("a rate of 0", LOG.replace("\n", ",0\n").replace(",0", ",lr", 1), codes=(0, 1, 2)),
    log("a rate of 1e-300", LOG.replace("\n", ",1e-300\n").replace("1e-300", "lr", 1), codes=(0, 1, 2)),
    log("a rate of 1e300", LOG.replace("\n", ",1e300\n").replace("1e300", "lr", 1), codes=(0, 1, 2)),
    log("a rate of words", LOG.replace("\n", ",x\n").replace(",x", ",lr", 1), codes=(0, 1, 2)),
    log("a NUL", LOG + "\0", codes=(2,)),
    log("no text", b"\xff\xfe\x00", codes=(2,)),
    log("an open quote", LOG + '"', codes=(2,)),
    log("a wide header", "step,loss," + ",".join(f"c{k}" for k in range(3000)) + "\n", codes=(2,)),
    log("escapes for a column", LOG.replace("loss", f'"{ESCAPE}"'), codes=(2,)),
    log("escapes for a run", LOG.replace("\n", f',"{ESCAPE}"\n').replace(f'"{ESCAPE}"', "run", 1), codes=(0, 1, 2)),
    log("2,000 runs", "step,loss,run\n" + "".join(f"1,2,r{k}\n" for k in range(2000)), codes=(0, 1, 2), slow=True),
    log("runs of one name but for case", LOG.replace("\n", ",a\n").replace(",a", ",run", 1) + "1,2,A\n", codes=(0, 1, 2), options=["--figure", "f.svg"], makes=("f-a.svg", "f-A.svg", "f.svg")),
    log("a run called ../../x", LOG.replace("\n", ",../../x\n").replace(",../../x", ",run", 1), codes=(0, 1, 2)),
    log("JSON cut short", json.dumps({"step": 1, "loss": 2}) + "\n{", codes=(0, 1, 2), file="log.jsonl"),
    log("lists deep", "[" * 100_000, codes=(2,), file="log.jsonl"),
    log("objects deep", '{"step":1,"a":' * 50_000, codes=(2,), file="log.jsonl"),
    log("a key twice", '{"step":1,"step":2,"loss":3}\n', "twice", codes=(2,), file="log.jsonl"),
    log("numbers of 5,000 digits", '{"step":' + "9" * 5000 + ',"loss":3}\n', codes=(2,), file="log.jsonl"),
    log("numbers of 400 digits", ('{"step":' + "9" * 400 + ',"loss":3}\n') * 3, codes=(2,), file="log.jsonl"),
    log("losses that are lists", '{"step":1,"loss":[1]}\n', file="log.jsonl"),
    log("a chart of nothing", '"Step"\n1\n', codes=(2,)),
    log("events that are none", b"\x00" * 99, codes=(2,), file="events.out.tfevents.1.x"),
    log("events cut short", b"\x18\x00\x00\x00\x00\x00\x00\x00", codes=(2,), file="events.out.tfevents.1.x"),
    log("events of a huge record", b"\xff" * 99, codes=(2,), file="events.out.tfevents.1.x"),
    log("a pipe", os.mkfifo, codes=(2,)),
    log("a device", lambda path: path.symlink_to("/dev/zero"), codes=(2,)),
    log("a folder of nothing", lambda path: path.mkdir(), codes=(2,)),
    log("itself", lambda path: path.symlink_to(path.name), codes=(2,)),
    Row("a log in an image", (*FORECAST, "--figure", "log.csv"), {"log.csv": LOG}),
    Row("learning from nothing", (*FORECAST, "--learn", "nothing"), {"log.csv": LOG}),
    Row("learning from itself", (*FORECAST, "--learn", "log.csv"), {"log.csv": LOG}, codes=(0, 1, 2)),
    Row("learning from a device", (*FORECAST, "--learn", "/dev/zero"), {"log.csv": LOG}),
    Row("a run of escapes", (*FORECAST, "--run", ESCAPE), {"log.csv": LOG}),
    Row("the same log 200 times", ("forecast", *["log.csv"] * 200, "--final-step", "99"), {"log.csv": LOG}, codes=(0, 1, 2), slow=True),
]  # fmt: skip
