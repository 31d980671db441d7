# Checks supported_fields.txt against the descriptors and writes the table for pb_known.c.
# Reads the generated .pb-c.c files first (they set the descriptors), then supported_fields.txt.

function fail(text)
{
    printf "supported_fields.txt:%d: %s\n", FNR, text >"/dev/stderr"
    failed = 1
}

# --- generated sources ---

/^static const ProtobufCFieldDescriptor / {
    fields_of = $4
    sub(/__field_descriptors.*/, "", fields_of)
    count[fields_of] = 0
    line = 100 # until the first field opens
    next
}
fields_of != "" && /^};/ { fields_of = ""; next }
fields_of != "" && $0 == "  {" { line = 0; next }
fields_of != "" {
    line++
    value = $1
    gsub(/[",&]/, "", value)
    if (line == 1) {
        field = value
        index_of[fields_of, field] = count[fields_of]
        name_at[fields_of, count[fields_of]++] = field
    } else if (line == 7 && value ~ /__descriptor$/) {
        child[fields_of, field] = value
    }
    next
}
/^const ProtobufCMessageDescriptor / { symbol = $3; next }
/PROTOBUF_C__MESSAGE_DESCRIPTOR_MAGIC/ { want_name = 1; next }
want_name {
    name = $1
    gsub(/[",]/, "", name)
    symbol_of[name] = symbol
    name_of[symbol] = name
    want_name = 0
    next
}
FILENAME !~ /supported_fields\.txt$/ { next }

# --- supported_fields.txt ---

/^[ \t]*(#|$)/ { next }
/^[^ \t]/ {
    message = $1
    if (!(message in symbol_of))
        fail("no message " message)
    else if (message in policy)
        fail("message " message " is listed twice")
    if (NF != 2 || ($2 != "warn" && $2 != "strict"))
        fail("expected a message and warn or strict")
    policy[message] = $2
    base = symbol_of[message]
    sub(/__descriptor$/, "", base)
    next
}
{
    for (i = 1; i <= NF; i++) {
        field = $i
        mark = substr(field, 1, 1)
        if (mark == "!" || mark == "?")
            field = substr(field, 2)
        else
            mark = "+"
        if (!((base, field) in index_of))
            fail("message " message " has no field " field)
        else if ((message, field) in marks)
            fail("field " field " is listed twice")
        marks[message, field] = mark
        if (mark == "+" && (base, field) in child)
            where[message, field] = FNR
    }
}

# A bit mask as sixteen hex digits: awk's numbers have only 53 bits.
function mask(bits,    digit, i, out)
{
    out = ""
    for (i = 60; i >= 0; i -= 4) {
        digit = bits[i] + 2 * bits[i + 1] + 4 * bits[i + 2] + 8 * bits[i + 3]
        out = out substr("0123456789abcdef", digit + 1, 1)
    }
    return "0x" out
}

# What an acted-on field holds must be listed too, or its fields would pass unseen.
function check_child(message, field, symbol,    target, entry)
{
    if (!(symbol in name_of))
        return
    target = name_of[symbol]
    if (target ~ /Entry$/ && !(target in policy)) {
        entry = symbol
        sub(/__descriptor$/, "", entry)
        if ((entry, "value") in index_of) {
            if ((entry, "value") in child)
                check_child(message, field, child[entry, "value"])
            return
        }
    }
    if (target !~ /^google\.protobuf\./ && !(target in policy)) {
        printf "supported_fields.txt:%d: %s.%s holds %s, which is not listed\n", where[message, field],
            message, field, target >"/dev/stderr"
        failed = 1
    }
}

END {
    for (key in where) {
        split(key, part, SUBSEP)
        own = symbol_of[part[1]]
        sub(/__descriptor$/, "", own)
        check_child(part[1], part[2], child[own, part[2]])
    }
    if (failed)
        exit 1
    for (message in policy) {
        own = symbol_of[message]
        sub(/__descriptor$/, "", own)
        if (count[own] > 64) {
            print message " has more than 64 fields" >"/dev/stderr"
            exit 1
        }
        for (i = 0; i < 64; i++) {
            mark = i < count[own] ? marks[message, name_at[own, i]] : ""
            acted[i] = mark == "+"
            rejected[i] = i < count[own] && (mark == "!" || (mark == "" && policy[message] == "strict"))
        }
        printf "%s %s %s, %s\n", message, symbol_of[message], mask(acted), mask(rejected) >rows
    }
}
