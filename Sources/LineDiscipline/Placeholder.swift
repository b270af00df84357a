// LineDiscipline
