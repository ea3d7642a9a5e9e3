"""What a stack understands: tasks learnt from English alone and tested in every language its encoder knows.

Stage 2 of Schmidt et al. 2024 (arXiv 2406.12739): a plain language model learns the task, and the stack learns to give the vectors that it
gives; beside it the systems that one would use otherwise.
"""

from __future__ import annotations
