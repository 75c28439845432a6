"""What comparisons and evaluations are shown with: numbers as text, SVG marks, and HTML pages."""
