import bcrypt from "bcryptjs";
export default { async run() {
  const hash = "$2b$04$" + "abcdefghijklmnopqrstuu";
  return [bcrypt.hashSync("secret", hash), await bcrypt.compare("secret", await bcrypt.hash("secret", 4)), bcrypt.getRounds(bcrypt.genSaltSync(5))];
} };
