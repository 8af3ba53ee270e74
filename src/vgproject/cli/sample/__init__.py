"""The sample project of ``vgproject demo``: a small shop whose tests fail, and the replies that mend it."""
