"""What judging any model needs: intervals over clusters, estimates, round ticks and numbers in words."""
