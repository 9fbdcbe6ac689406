// Compiles mails with the reference MJML compiler (https://documentation.mjml.io/), strictly.
//
// Standard input: a JSON list of {name, mjml}. Standard output: a JSON list, in the same order, of {name, html}, or of
// {name, errors}, each error a sentence with its line, element and attribute.
// `fonts: {}` keeps it from asking a font service for fonts, as ours does.
import mjml2html from "mjml";

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const mails = JSON.parse(Buffer.concat(chunks).toString("utf8"));
const compiled = [];
for (const { name, mjml } of mails) compiled.push({ name, ...(await compile(mjml)) });
process.stdout.write(JSON.stringify(compiled));

async function compile(mjml) {
  try {
    const { html, errors } = await mjml2html(mjml, { validationLevel: "strict", fonts: {}, keepComments: true });
    return errors.length ? { errors: errors.map(sentence) } : { html };
  } catch (error) {
    return { errors: error.errors?.map(sentence) ?? [error.message] };
  }
}

function sentence(error) {
  return error.formattedMessage ?? error.message ?? String(error);
}
