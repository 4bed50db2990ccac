// Package quant knows how weights are written down: the block types of model files, the
// layouts that the kernels read on the device, and the ways between them.
//
// Four nouns:
//
//   - a [Type] is how a file stores numbers: F32, F16, BF16, or blocks of quants (Q8_0,
//     Q4_K, IQ4_XS, ...) that mix scales and quants. [Dequantize] says what such bytes mean.
//   - a [Layout] is how a tensor lies in device memory: one or more planes. A plane holds
//     one kind of thing for the whole tensor (all quants, all scales, ...), row after row,
//     so that neighbouring invocations read neighbouring words. [Repack] changes a file's
//     blocks into planes without changing a value; [Unpack] says what planes mean.
//   - a [Scheme] is a wish to quantise on load, INT8 or INT4. [QuantizeRows] makes such
//     planes from F32, F16 or BF16 rows. [Convert] takes whichever of the two ways applies.
//   - a [Source] is a stored matrix that writes its own rows as planes or numbers: [Blocks] of
//     one type, a [Grouped] layer of GPTQ or AWQ, an [FP8] matrix.
//
// # Planes
//
// Everything is little-endian; kernels read u32 words. rows × cols is the tensor, G the
// layout's Group, cols/G is exact (CheckCols). Each cell says what one row holds.
//
//	layout  plane 0            plane 1         plane 2          plane 3       value
//	F32     f32 [cols]         -               -                -             w
//	F16     f16 [cols]         -               -                -             w
//	BF16    bf16 [cols]        -               -                -             w
//	Q8      i8 q [cols]        f16 s [cols/G]  i8 z [cols/G]    -             (q - z) * s
//	Q4      4-bit q [cols]     f16 s [cols/G]  u8 z [cols/G]    -             (q - z) * s
//	Q4_1    4-bit q [cols]     f16 s, f16 m    -                -             s * q + m
//	Q5_0    low 4 bits [cols]  f16 s           fifth [cols]     -             s * (q - 16)
//	Q5_1    low 4 bits [cols]  f16 s, f16 m    fifth [cols]     -             s * q + m
//	Q2K     2-bit q [cols]     4-bit s, m      f16 d, f16 e     -             d * s * q - e * m
//	Q3K     low 2 bits [cols]  third [cols]    i8 s             f16 d         d * s * (q - 4)
//	Q4K     4-bit q [cols]     u8 s, u8 m      f16 d, f16 e     -             d * s * q - e * m
//	Q5K     low 4 bits [cols]  fifth [cols]    u8 s, u8 m       f16 d, f16 e  d * s * q - e * m
//	Q6K     low 4 bits [cols]  high 2 [cols]   i8 s             f16 d         d * s * (q - 32)
//	IQ4NL   4-bit q [cols]     f16 s           -                -             s * table[q]
//	IQ4XS   4-bit q [cols]     i8 s            f16 d            -             d * s * table[q]
//	MXFP4   4-bit q [cols]     u8 x            -                -             2^(x-128) * table[q]
//
// Scales s and m are [cols/G], G being 16 for Q2K, Q3K and Q6K, 32 for the others without a
// choice; d and e are [cols/256]. Where a plane has two numbers they take turns; Q2K's share a
// byte, s in the low nibble. Six-bit scales of the files have bytes of their own here, so that
// one load has them: at most 4 % more than the file's bits. Products are rounded from left to
// right before the minimum is added or taken off.
//
// Q8 and Q4 have plane 2 only with Zero set. Without it z is 0 for Q8 and 8 for Q4.
// Q8's zero points and quants are both stored less 128, which leaves q - z as it is.
//
// 4-bit plane: one u32 word for 8 consecutive elements e0..e7. Byte b (0..3) has e_b in its
// low nibble and e_(4+b) in its high nibble, so that one mask and one shift give two vectors
// of four in element order:
//
//	bit   31  28 27  24 23  20 19  16 15  12 11   8 7    4 3    0
//	      [ e7 ] [ e3 ] [ e6 ] [ e2 ] [ e5 ] [ e1 ] [ e4 ] [ e0 ]
//
// 2-bit plane: one u32 word for 16 consecutive elements. Element 4i+b (i, b in 0..3) sits in
// byte b, bits 2i and 2i+1.
//
// 1-bit plane: one u32 word for 32 consecutive elements. Element 4i+b (i in 0..7) sits in byte b,
// bit i.
//
// # Planes of the IQ and TQ types
//
// Blocks of 256 elements are 8 units of 32. Each cell says what one unit has there, or one
// block where it says so; together they are exactly the file's bits, moved so that words are
// aligned. Plane 3 is [Layout.Codebook], the same for every tensor of a layout and no plane of
// the tensor. A place is a number of an entry there, of 8 elements (4 in IQ3).
//
//	layout  plane 0                    plane 1                     plane 2          value
//	IQ1S    low 8 bits of 4 places     high 3 bits of 4 places,    f16 d (block)    d * (2s+1) * (v ± 1/8)
//	                                   3-bit s, the sign of 1/8
//	IQ1M    low 8 bits of 4 places     4 times high 3 bits of a    4 times 3-bit s  d * (2s+1) * (v ± 1/8)
//	                                   place, the sign of 1/8      of 4 groups of
//	                                                               16, 4 bits of d
//	                                                               (block)
//	IQ2XXS  4 places, 4 times 7        f16 d (block)               -                ±d * (s + 1/2) / 4 * v
//	        signs, 4-bit s
//	IQ2XS   4 times 9-bit place and    2 4-bit s of 16 elements    f16 d (block)    ±d * (s + 1/2) / 4 * v
//	        7 signs
//	IQ2S    low 8 bits of 4 places,    high 2 bits of 4 places, 2  f16 d (block)    ±d * (s + 1/2) / 4 * v
//	        32 signs                   4-bit s of 16 elements
//	IQ3XXS  8 places                   4 times 7 signs, 4-bit s    f16 d (block)    ±d * (s + 1/2) / 2 * v
//	IQ3S    low 8 bits of 8 places     32 signs                    high bits of 64  ±d * (2s+1) * v
//	                                                               places, 8 4-bit
//	                                                               s, f16 d (block)
//	TQ1     5-digit bytes, see below   f16 d (block)               -                d * (q - 1)
//	TQ2     2-bit q                    f16 d (block)               -                d * (q - 1)
//
// Where 7 signs are written the eighth makes the number of negative elements even.
//
// TQ1 has 13 words for a block. Word w holds quads 5w to 5w+4 of 4 elements each (the last word
// only 4 quads): byte b has element b of each, as the digits to the base 3 of the fraction
// byte/256, the first quad's highest.
//
// # What it must not do
//
// It knows no device, no graph and no file. It converts whole rows and keeps no state: rows
// may be converted in any order, by any number of goroutines, and nothing is allocated in
// proportion to a tensor. A weight that is NaN or infinite, or that the target cannot hold,
// is refused with its row and column ([ValueError]): it would make every answer NaN, far
// from its cause.
package quant
