"""The paper's study, repeated: plan, cells on disk, tables, report."""
