"""How each level of satisfaction looks: one drawing for the citizen's page, the terminal and the desk."""

EYES_AND_MOUTH = {
    1: "M6.8 8l3.2 1.8M17.2 8L14 9.8M8.9 11v.5M15.1 11v.5M7.2 17.8q4.8-5.6 9.6 0",
    2: "M8.5 9.5v.8M15.5 9.5v.8M8 16.8q4-3.6 8 0",
    3: "M8.5 9v.8M15.5 9v.8M8 15.5h8",
    4: "M8.5 9v.8M15.5 9v.8M7.5 14.5q4.5 4 9 0",
    5: "M6.8 9.8q1.6-2.2 3.2 0M14 9.8q1.6-2.2 3.2 0M7 13.5h10q-1 4.8-5 4.8t-5-4.8z",
}
"""Satisfaction → an SVG path in a circle of radius 10 around (12, 12): they differ in mouth and eyes, not only in colour."""
