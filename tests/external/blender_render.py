"""Blender's renderer, which loads libcuda itself and has its kernels as PTX: a scene with textures of images and noise,
glass, scattering under a surface, smoke and a sky, rendered by its GPU and by its CPU."""

import os
import tempfile

import bpy
import numpy

bpy.ops.wm.read_factory_settings(use_empty=False)
scene = bpy.context.scene
scene.render.engine = "CYCLES"
scene.render.resolution_x, scene.render.resolution_y, scene.render.resolution_percentage = 96, 64, 100
scene.render.image_settings.file_format = "OPEN_EXR"
scene.cycles.samples, scene.cycles.seed = 8, 1
scene.cycles.use_denoising = scene.cycles.use_adaptive_sampling = False
preferences = bpy.context.preferences.addons["cycles"].preferences
preferences.compute_device_type = "CUDA"
preferences.get_devices()
for device in preferences.devices:
    device.use = device.type == "CUDA"
assert any(d.use for d in preferences.devices), [d.name for d in preferences.devices]


def material(kind, output="Surface", **values):
    """A new material of a shader of that kind: the tree, the shader."""
    new = bpy.data.materials.new(kind)
    new.use_nodes = True
    tree = new.node_tree
    tree.nodes.clear()
    shader = tree.nodes.new(kind)
    for name, value in values.items():
        shader.inputs[name.replace("_", " ")].default_value = value
    tree.links.new(shader.outputs[0], tree.nodes.new("ShaderNodeOutputMaterial").inputs[output])
    return new, tree, shader


def dress(thing, new):
    thing.data.materials.clear()
    thing.data.materials.append(new)


pixels = numpy.random.default_rng(1).random((32, 32, 4), dtype=numpy.float32)
pixels[..., 3] = 1
picture = bpy.data.images.new("picture", 32, 32)
picture.pixels = pixels.ravel()
picture.pack()
painted, tree, shader = material("ShaderNodeBsdfPrincipled")
texture = tree.nodes.new("ShaderNodeTexImage")
texture.image = picture
tree.links.new(texture.outputs[0], shader.inputs["Base Color"])
dress(bpy.data.objects["Cube"], painted)

bpy.ops.mesh.primitive_uv_sphere_add(location=(2, -1, 0.5), segments=24, ring_count=12)
bpy.ops.object.shade_smooth()
dress(bpy.context.object, material("ShaderNodeBsdfGlass")[0])

noisy, tree, shader = material("ShaderNodeBsdfPrincipled", Subsurface_Weight=0.5, Roughness=0.2)
noise, bump = tree.nodes.new("ShaderNodeTexNoise"), tree.nodes.new("ShaderNodeBump")
tree.links.new(noise.outputs[1], shader.inputs["Base Color"])
tree.links.new(noise.outputs[0], bump.inputs["Height"])
tree.links.new(bump.outputs[0], shader.inputs["Normal"])
bpy.ops.mesh.primitive_monkey_add(location=(-2, -2, 0.5))
dress(bpy.context.object, noisy)

cells, tree, shader = material("ShaderNodeBsdfDiffuse")
tree.links.new(tree.nodes.new("ShaderNodeTexVoronoi").outputs[1], shader.inputs[0])
bpy.ops.mesh.primitive_plane_add(size=20, location=(0, 0, -1))
dress(bpy.context.object, cells)

bpy.ops.mesh.primitive_cube_add(location=(0, 2.5, 0.5))
dress(bpy.context.object, material("ShaderNodeVolumePrincipled", "Volume", Density=0.8)[0])

scene.world.use_nodes = True
nodes, links = scene.world.node_tree.nodes, scene.world.node_tree.links
links.new(nodes.new("ShaderNodeTexSky").outputs[0], nodes["Background"].inputs[0])
nodes["Background"].inputs[1].default_value = 0.3

frames = {}
with tempfile.TemporaryDirectory() as folder:
    for device in "CPU", "GPU":
        scene.cycles.device = device
        scene.render.filepath = os.path.join(folder, device + ".exr")
        bpy.ops.render.render(write_still=True)
        frames[device] = numpy.array(bpy.data.images.load(scene.render.filepath).pixels[:])
difference = abs(frames["CPU"] - frames["GPU"])
assert frames["CPU"].std() > 0.1 and difference.mean() < 1e-3 and (difference > 0.05).mean() < 0.01, difference.mean()
print("ok")
