"""XGBoost and CatBoost, whose wheels carry the runtime and their kernels, as PTX too: trees beside the CPU's."""

import catboost
import numpy
import xgboost

random = numpy.random.default_rng(1)
x = random.integers(0, 16, (500, 8)).astype(numpy.float32) # so few values that both sorts of device cut them alike
y = (x[:, 0] * 2 + x[:, 1] % 3 * 4 + x[:, 2] * x[:, 3] / 8 > 24).astype(int)


def boosted(device):
    settings = {"objective": "binary:logistic", "device": device, "max_depth": 3, "tree_method": "hist", "max_bin": 32}
    data = xgboost.DMatrix(x, y)
    return xgboost.train(settings, data, num_boost_round=5).predict(data)


got, want = boosted("cuda"), boosted("cpu")
assert numpy.abs(got - want).max() < 1e-5 and ((got > 0.5) == y).mean() > 0.9

model = catboost.CatBoostClassifier(iterations=10, depth=4, learning_rate=0.5, task_type="GPU", devices="0", verbose=False,
                                    allow_writing_files=False)
assert (model.fit(x, y).predict(x) == y).mean() > 0.9
print("ok")
