"""Tasks: a module that turns a batch into named losses. `distill` wraps any of them."""
