"""What is made of records to be read: the pages of the documentation about the lab, their pictures, a report of one run, a table as text."""
