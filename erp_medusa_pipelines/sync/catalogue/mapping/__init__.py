"""The mapping of the shop: a YAML file that says which Medusa field is made of which ERPNext fields, and how.

`places.py` reads YAML and keeps where each value stands, `schema.py` has the file's shape, `targets.py` the fields that
a row may fill, `transforms.py` and `templates.py` the ways to make a value, `rows.py` one row that is ready to work.
`loading.py` puts them together and says what is wrong, where and what to do; `site.py` asks the site for the fields.
`default.yaml` and `example.yaml` are what `erp-medusa mapping` prints.

To add a transform, write it in transforms.py; to add a field of Medusa's, its line in targets.py. Both are described in
docs/mapping.md.
"""
