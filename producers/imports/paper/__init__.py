"""Paper forms (纸质评价表): a template to key them into, two people who key them, and what they agree on as reviews."""
