// The layout desk: sentences become labelled boxes.

import { boxes } from "../scenes/boxes.js";
import { openDesk } from "../scenes/desk.js";

const TEXTS = ["A dog is next to the tent.", "The boy is near the tree.", "The girl is holding a kite under the sun."];

export const open = (section, room) => openDesk(section, room, boxes, TEXTS);
