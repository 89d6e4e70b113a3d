"""Heavy work of a page, as functions of plain values: a folder, settings, names.

`registry` is the list of them by name. They run in the process that stays (`jobs.persistent_process`), one at a time,
and find models, statistics, masks and embeddings in `memory_cache` where an earlier one left them. What they return is
plain, too: numbers, arrays and tables, never a model. Whoever asks has looked at who may ask for what.
"""
