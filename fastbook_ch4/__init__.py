"""fastbook chapter 4, "Under the Hood: Training a Digit Classifier", as lessons and helpers"""
