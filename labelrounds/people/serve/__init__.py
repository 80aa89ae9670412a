"""`labelrounds serve`: a page to label on. What is asked (work), what was said (journal, desk), who may enter (access), the pages (app, views), and the round (finish).

It imports the floors below and importing beside it. The command `serve` calls it, and `import` where it is given no file.
"""
