"""Other tools' histories: one module for each format, each with one function ``read``.

``read(folder, split)`` returns what stands in a folder as a ``ForeignHistory``, or None
where it is in another format. What a file's SQL is goes over as bytes; nothing here
writes.
"""
