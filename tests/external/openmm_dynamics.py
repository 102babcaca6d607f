"""OpenMM, which compiles its kernels with NVRTC as it goes: energies, forces and steps of its CUDA platform beside those
of its reference."""

import numpy
import openmm as mm

random = numpy.random.default_rng(1)


def molecules(method):
    """64 charged pairs in a periodic box."""
    system, positions = mm.System(), []
    system.setDefaultPeriodicBoxVectors((2.4, 0, 0), (0, 2.4, 0), (0, 0, 2.4))
    nonbonded, bonds = mm.NonbondedForce(), mm.HarmonicBondForce()
    nonbonded.setNonbondedMethod(method)
    nonbonded.setCutoffDistance(0.9)
    nonbonded.setEwaldErrorTolerance(1e-5)
    for cell in numpy.ndindex(4, 4, 4):
        for sign in 1, -1:
            system.addParticle(39.9)
            nonbonded.addParticle(0.3 * sign, 0.3, 0.5)
            positions.append(0.6 * numpy.array(cell) + 0.05 * sign * numpy.array([1, 0.2, 0.1]) +
                             random.normal(scale=0.01, size=3))
        first = system.getNumParticles() - 2
        bonds.addBond(first, first + 1, 0.11, 1000)
        nonbonded.addException(first, first + 1, 0, 1, 0)
    system.addForce(nonbonded)
    system.addForce(bonds)
    return system, positions


def dynamics(platform, system, positions, precision):
    context = mm.Context(system, mm.VerletIntegrator(0.001), mm.Platform.getPlatform(platform), precision)
    context.setPositions(positions)
    start = context.getState(getEnergy=True, getForces=True)
    context.getIntegrator().step(20)
    end = context.getState(getEnergy=True, getPositions=True)
    return (start.getPotentialEnergy()._value, start.getForces(asNumpy=True)._value, end.getPositions(asNumpy=True)._value,
            (end.getPotentialEnergy() + end.getKineticEnergy())._value)


for method in mm.NonbondedForce.CutoffPeriodic, mm.NonbondedForce.PME:
    system, positions = molecules(method)
    want = dynamics("Reference", system, positions, {})
    got = dynamics("CUDA", system, positions, {"Precision": "mixed"})
    for g, w in zip(got, want):
        numpy.testing.assert_allclose(g, w, rtol=1e-3, atol=1e-2)
print("ok")
