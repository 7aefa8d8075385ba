import protobuf from "protobufjs/light.js";
// Its codecs are made by new Function; where that is not there it falls back to reflection.
export default { run() { const { Root, Type, Field } = protobuf; const T = new Type("T").add(new Field("id", 1, "uint32")).add(new Field("names", 2, "string", "repeated")); new Root().define("p").add(T); try { const b = T.encode(T.create({ id: 300, names: ["a", "\u00fc"] })).finish(); return [Array.from(b), T.toObject(T.decode(b))]; } catch (e) { return [e.name, e.message]; } } };
