"""Wrong answers that real beginners write, each with the diagnosis it must get: the test of the checks."""

from phase1_foundations.lab4_data_loading.misconceptions_by_exercise.e1_padding import *
from phase1_foundations.lab4_data_loading.misconceptions_by_exercise.e2_augmentation import *
from phase1_foundations.lab4_data_loading.misconceptions_by_exercise.e3_buckets import *
from phase1_foundations.lab4_data_loading.misconceptions_by_exercise.e4_stream import *
from phase1_foundations.lab4_data_loading.misconceptions_by_exercise.e5_few_labels import *
from phase1_foundations.lab4_data_loading.misconceptions_by_exercise.warmups import *
