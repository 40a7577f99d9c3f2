"""For a class: the students' and the teacher's notebooks, and the grading of what is handed in.

`python -m chapter10 classroom make` writes notebooks that nbgrader takes as they are (`making`); `score` is what their check
cells call. `python -m chapter10 classroom grade` marks a folder of handed-in notebooks without nbgrader (`grading`): `reading`
finds the answers in a file, `child` judges them in a process of their own with limits, `lane` keeps watch over that process,
`table` writes what came out.
"""

from chapter10.classroom.commands import add_parser
from chapter10.classroom.scoring import score

__all__ = ["add_parser", "score"]
