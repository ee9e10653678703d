// The desk of composites: sentences become scenes of patches of photos.

import { beforeAfter } from "../scenes/before_after.js";
import { openDesk } from "../scenes/desk.js";
import { patches } from "../scenes/patches.js";

const TEXTS = ["A dog is next to the tent.", "The boy is near the tree.", "The girl is holding a kite under the sun."];

export const open = (section, room) =>
  openDesk(section, room, patches, TEXTS, (desk) => (room.others.inpainter.length ? [beforeAfter(desk)] : []));
