"""Long work: in a process of its own, in line, watched and stopped.

Python runs one thread at a time: where one process computes and answers, sliders wait for batches, and for libraries
that are being loaded. A process of its own leaves the page free, gives all its memory back at its end, can be stopped
at any moment, and takes nothing with it where the system kills it: `process` is the side that asks, `host` the side
that computes. An analysis or a sweep begins in a clean process; all other work (`works`) is done by one that stays
(`persistent_process`), so that a model, its statistics and its masks are there for the next. `job_queue` is the line
before the one place where heavy work is done; `watched_work` runs it there.
"""
