/** Registers nothing: Node itself takes the types out of the pack's files. */
exports.register = () => {};
