"""Many paced streams at once on one worker, for as long as one likes: `make soak`. Does memory grow?"""
