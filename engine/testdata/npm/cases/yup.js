import * as yup from "yup";
const User = yup.object({ name: yup.string().required().min(2), age: yup.number().positive().integer(), when: yup.date().default(() => new Date(0)) });
export default { async run() { return [await User.validate({ name: "Ada", age: "36" }), await User.validate({ name: "A", age: -1 }, { abortEarly: false }).catch((e) => e.errors)]; } };
