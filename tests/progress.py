"""What is shown of a run of the tests, while it goes on and at its end. Nothing else prints."""

import json
import os
import re
import shutil
import sys
import threading
import time

MOST_SHOWN = 8000  # characters of one failure
LINE_EVERY = 30  # seconds, where the output is no terminal


def plain(text):
    """What a program said, fit for a terminal and a log: bounded, and without what is no text."""
    if len(text) > MOST_SHOWN:
        half = MOST_SHOWN // 2
        text = f"{text[:half]}\n[… {len(text) - 2 * half} characters left out …]\n{text[-half:]}"
    return re.sub(r"[^\n\t -~\u00a1-\uffff]|[\ud800-\udfff]", "\N{REPLACEMENT CHARACTER}", text)


def minutes(seconds):
    seconds = round(seconds)
    return f"{seconds // 60}:{seconds % 60:02}"


class Durations:
    """How long each job took when it last ran, kept in the build folder."""

    def __init__(self, path):
        self.path = path
        try:
            with open(path, encoding="utf-8") as f:
                told = json.load(f)
            self.seconds = {str(name): float(s) for name, s in told.items()}
        except (OSError, ValueError, AttributeError, TypeError):
            self.seconds = {}  # a first run, or no file of ours

    def save(self, more):
        self.seconds.update(more)
        new = f"{self.path}.{os.getpid()}"
        with open(new, "w", encoding="utf-8") as f:
            json.dump(self.seconds, f, indent=0, sort_keys=True)
        os.replace(new, self.path)


class Estimate:
    """How many tests there are and how long they will take. jobs: the number of tests of each, by its name."""

    def __init__(self, jobs, before, workers):
        self.jobs, self.before, self.workers = jobs, before, workers
        self.begun, self.took, self.done = {}, {}, 0

    def begin(self, name, now):
        self.begun[name] = now

    def end(self, name, tests, now):
        self.took[name] = now - self.begun.pop(name)
        self.jobs[name] = tests  # which may be others than were expected
        self.done += tests

    @property
    def total(self):
        return sum(self.jobs.values())

    def left(self, now):
        """Seconds, or None while there is nothing to tell them by."""
        known = [name for name in self.took if name in self.before]
        # The machine may be busier than it was, or less; a few short jobs do not tell.
        pace = (60 + sum(self.took[n] for n in known)) / (60 + sum(self.before[n] for n in known))
        longest = total = 0
        for name in self.jobs.keys() - self.took.keys():
            if name in self.before:
                expected = self.before[name] * pace
            elif self.took: # by jobs: their tests differ more than they do, those of one program are quick
                expected = sum(self.took.values()) / len(self.took)
            else:
                return None
            expected = max(0, expected - (now - self.begun.get(name, now)))
            longest, total = max(longest, expected), total + expected
        return max(longest, total / self.workers)


class Report:
    """A context manager around a run; begin, end and line are for any thread."""

    def __init__(self, estimate, out=None, clock=time.monotonic):
        self.estimate, self.out, self.clock = estimate, out or sys.stdout, clock
        self.counts = {"passed": 0, "failed": 0, "skipped": 0}
        self.rewrites = self.out.isatty() and os.environ.get("TERM", "dumb") != "dumb"
        self.lock, self.over = threading.Lock(), threading.Event()
        self.start = clock()

    def begin(self, name):
        with self.lock:
            self.estimate.begin(name, self.clock())
            self.redraw()

    def end(self, name, results):
        """results: (name, verdict, reason) of each test of the job."""
        with self.lock:
            self.estimate.end(name, len(results), self.clock())
            for test, verdict, why in results:
                self.counts[verdict] += 1
                if verdict == "failed":
                    self.print(f"FAIL {test}\n    " + plain((why or "").strip()).replace("\n", "\n    "))
                elif verdict == "skipped":
                    self.print(f"skipped {test}: {plain(why)}")
            self.redraw()

    def line(self):
        now, e = self.clock(), self.estimate
        left = e.left(now)
        return (f"{e.done} of {e.total} tests, {minutes(now - self.start)} gone, "
                + (f"about {minutes(left)} left" if left is not None else "time left unknown")
                + (f"; running {', '.join(e.begun)}" if e.begun else ""))

    def print(self, text):
        self.out.write(("\r\x1b[K" if self.rewrites else "") + text + "\n")
        self.out.flush()

    def redraw(self):
        if self.rewrites:
            width = shutil.get_terminal_size().columns
            self.out.write("\r\x1b[K" + self.line()[:width - 1])
            self.out.flush()

    def tick(self):
        while not self.over.wait(1 if self.rewrites else LINE_EVERY):
            with self.lock:
                if self.rewrites:
                    self.redraw()
                else:
                    self.print(self.line())

    def __enter__(self):
        self.print(self.line())
        self.ticker = threading.Thread(target=self.tick, daemon=True)
        self.ticker.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.ticker.join()
        self.print("{passed} passed, {failed} failed, {skipped} skipped".format(**self.counts))
