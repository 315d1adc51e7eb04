"""The parsers of what strangers write, under bytes that nobody would write: by hypothesis (a little, in every test run)
and by atheris (``make fuzz``, for as long as one likes).
"""
