"""The schema book: what there is, and what each migration did to it, to be looked at.

book       the one description, from which every form is written
growth     what each migration adds and takes, on one way up in a scratch database
describe   fills the description, from the files or from the live databases
deletion   what goes with a row of a table
diagram    what an ER diagram shows; ``mermaid`` writes it, ``layout`` draws it as SVG
words      what every form says in the same words
markdown   the book as Markdown; ``markup``, any text as Markdown that does nothing
html       the book as pages for a browser
ticket     the dry run as a change ticket
addresses  where each page is, and the links between them
folder     the files of a book: their names, and how they are written
"""
