"""The protocol-buffer messages of Waymo's v1 files, declared here so that no generated module is needed.

Only the fields that are read are declared; protobuf skips the rest. The descriptors live in a pool and a
package of their own, so that they never clash with Waymo's wheel in the same process. Enumerations are
declared as int32 and texts as bytes: values of newer releases and damaged texts then arrive unchanged. The
packed numbers of a `Matrix` are declared as bytes too, which is the same on the wire, and become an array
without a copy.
"""

from __future__ import annotations

import functools
from typing import Any

from recgen_bench.datasets.waymo.extra import load
from recgen_bench.harness.errors import DataError

PACKAGE = "recgen_bench.waymo"

# Each field is "number name type", a star marks repeated fields. Numbers: dataset.proto, label.proto,
# map.proto and scenario.proto of waymo-research/waymo-open-dataset.
_SCHEMA: dict[str, str] = {
    "Frame": """1 context Context, 2 timestamp_micros int64, 3 pose Transform, 4 images CameraImage*,
        5 lasers Laser*, 6 laser_labels Label*, 8 camera_labels CameraLabels*,
        9 projected_lidar_labels CameraLabels*, 10 map_features MapFeature*, 11 map_pose_offset Vector""",
    "Context": """1 name bytes, 2 camera_calibrations CameraCalibration*,
        3 laser_calibrations LaserCalibration*""",
    "CameraCalibration": """1 name int32, 2 intrinsic double*, 3 extrinsic Transform, 4 width int32,
        5 height int32""",
    "CameraImage": "1 name int32, 2 image bytes, 3 pose Transform, 5 pose_timestamp double",
    "Transform": "1 transform double*",
    "LaserCalibration": """1 name int32, 2 beam_inclinations double*, 3 beam_inclination_min double,
        4 beam_inclination_max double, 5 extrinsic Transform""",
    "Laser": "1 name int32, 2 ri_return1 RangeImage, 3 ri_return2 RangeImage",
    "RangeImage": "2 range_image_compressed bytes, 4 range_image_pose_compressed bytes",
    "Matrix": "1 data bytes, 2 shape Shape",
    "Shape": "1 dims int32*",
    "CameraLabels": "1 name int32, 2 labels Label*",
    "Label": """1 box Box, 2 metadata Metadata, 3 type int32, 4 id bytes, 7 num_lidar_points_in_box int32,
        13 num_top_lidar_points_in_box int32""",
    "Box": """1 center_x double, 2 center_y double, 3 center_z double, 4 width double, 5 length double,
        6 height double, 7 heading double""",
    "Metadata": "1 speed_x double, 2 speed_y double",
    "MapFeature": """1 id int64, 3 lane LaneCenter, 4 road_line Line, 5 road_edge Line, 7 stop_sign StopSign,
        8 crosswalk Area, 9 speed_bump Area, 10 driveway Area""",
    "LaneCenter": "8 polyline Vector*",
    "Line": "1 type int32, 2 polyline Vector*",
    "StopSign": "2 position Vector",
    "Area": "1 polygon Vector*",
    "Vector": "1 x double, 2 y double, 3 z double",
    "Scenario": "5 scenario_id bytes, 8 map_features MapFeature*",
}


def message(name: str) -> Any:
    """Return the class of a message, for example "Frame".

    Raises:
        PluginError: protobuf is not installed.
    """
    factory = load("google.protobuf.message_factory")
    return factory.GetMessageClass(_pool().FindMessageTypeByName(f"{PACKAGE}.{name}"))


def parse(name: str, data: bytes, where: str) -> Any:
    """Return the parsed message.

    Raises:
        DataError: The bytes are no such message.
        PluginError: protobuf is not installed.
    """
    parsed = message(name)()
    try:
        parsed.ParseFromString(data)
    except load("google.protobuf.message").DecodeError as error:
        raise DataError(f"not a Waymo {name}: {error}", got=f"{len(data)} bytes", where=where) from error
    return parsed


@functools.cache
def _pool() -> Any:
    descriptors = load("google.protobuf.descriptor_pb2")
    file = descriptors.FileDescriptorProto(name="recgen_bench_waymo.proto", package=PACKAGE, syntax="proto2")
    field_type = descriptors.FieldDescriptorProto
    for name, fields in _SCHEMA.items():
        declared = file.message_type.add(name=name)
        for field in fields.split(","):
            number, label, kind = field.split()
            added = declared.field.add(name=label, number=int(number))
            added.label = field_type.LABEL_REPEATED if kind.endswith("*") else field_type.LABEL_OPTIONAL
            kind = kind.rstrip("*")
            if kind in _SCHEMA:
                added.type, added.type_name = field_type.TYPE_MESSAGE, f".{PACKAGE}.{kind}"
            else:
                added.type = field_type.Type.Value(f"TYPE_{kind.upper()}")
    pool = load("google.protobuf.descriptor_pool").DescriptorPool()
    pool.Add(file)
    return pool
