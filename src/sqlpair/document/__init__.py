"""The schema book: what there is, and what each migration did to it, to be looked at.

book       the one description, from which every form is written
growth     what each migration adds and takes, on one way up in a scratch database
describe   fills the description, from the files or from the live databases
deletion   what goes with a row of a table
mermaid    an ER diagram as text
markdown   the book as Markdown
layout     an ER diagram as SVG, laid out by Graphviz
html       the book as pages for a browser
ticket     the dry run as a change ticket
folder     the files of a book: which are stale, and how they are written
"""
