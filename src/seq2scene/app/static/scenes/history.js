// Undo and redo over values that are never changed in place.

export function history(changed) {
  let past = [];
  let future = [];
  let present = null;
  const tell = () => changed(present, past.length > 0, future.length > 0);
  return {
    /** A new value that undo takes back. */
    push(value) {
      if (present !== null) past = [...past.slice(-99), present];
      future = [];
      present = value;
      tell();
    },
    /** The present value in another form, which is no step of its own. */
    amend(value) {
      present = value;
      tell();
    },
    undo() {
      if (!past.length) return;
      future = [...future, present];
      present = past.pop();
      tell();
    },
    redo() {
      if (!future.length) return;
      past = [...past, present];
      present = future.pop();
      tell();
    },
  };
}
