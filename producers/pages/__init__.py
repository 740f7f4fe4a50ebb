"""What all pages for citizens share: the base, the faces, the variables of the one look, the headers of an answer."""
